"""What any client of an event stream may rely on, held against real servers with clients of four kinds."""

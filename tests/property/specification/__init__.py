"""What the transitions of dispatch do, written down a second time: to be read first, and to hold the scripts to."""

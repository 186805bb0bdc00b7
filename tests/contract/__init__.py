"""What any Dramatiq broker does, run against Dramatiq's own Redis broker and against this one."""

"""What lies in deploy/, each file read by the tool that it is written for, and what it promises run for real."""

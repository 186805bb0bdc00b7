"""Before work begins: is this Redis one that keeps what it is given, and may this process do there what it must?"""

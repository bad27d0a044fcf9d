"""The demo: a year of real flights from a bucket, through a function, into the warehouse."""

"""A trained run as a server: a page to look at, an interface for programs, and emotions of speech as it comes."""

"""The ways out of a spec: what to give to other programs so that they do what it says.

One file for each, with the rules of that program and where they were read. What a program cannot do
is an `ArgumentError` that names it.
"""

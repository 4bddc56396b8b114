"""Who trains: one plain function per contender, by name. Each prepares a task and returns a function that trains it.

A prepared function returns what it trained: parameters `[cells, …]` and after them what else it kept, or for nanmap its
columns. Imports of the array libraries stand inside the functions: a worker loads only the one that it measures.
"""

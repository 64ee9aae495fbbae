"""Lambda's side of Invoke, without any I/O: which requests it refuses, in which words, and what an answer looks like.

The local endpoint, the in-process transport and the stub all answer from here, so none of them says what AWS would not.
"""

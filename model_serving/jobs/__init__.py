"""Jobs: predictions that outlast a request, and whole files of them.

The record is a database, SQLite or PostgreSQL, and it is the truth: a job is accepted once its row
is committed, each chunk of its work is committed once, and what has ended never changes. Nothing is
kept elsewhere, so that machines with folders of their own can share a job. This room knows no web.
"""

"""Files scored from the command line: ``python -m model_serving.score``, which bin/score calls.

It hands in the file as jobs, part by part, and collects what came of them. The record and the
workers are those of the service: it runs its own only where there is no service::

    __main__    reads the command line, and ends with a code that tells
    tree        the processes that do the work
    parts       the file, cut
    run         the jobs of the parts, in order
    output      the file of the answers
    progress    what a person sees meanwhile
"""

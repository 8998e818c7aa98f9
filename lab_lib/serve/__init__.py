"""A run of the task `skills` that answers requests: on the command line, over HTTP and in a page.

assistant.py: what was asked for; requests.py: a missing argument, two requests in one sentence; show.py: lines for a
terminal. Over HTTP (extra `serve`): app.py puts the routes together, guard.py stands before them.
"""

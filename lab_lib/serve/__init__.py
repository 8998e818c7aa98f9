"""Serve a run of the task `skills`: on the command line, over HTTP and in a web page.

assistant.py interprets a request; requests.py handles missing arguments and two requests in one sentence; show.py
prints to a terminal. For HTTP (extra `serve`), app.py combines the routes and guard.py protects them.
"""

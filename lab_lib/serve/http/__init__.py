"""The assistant over HTTP. Needs the extra `serve`; nothing of this folder is imported by the rest of the package.

app.py combines routers: a further service is one more router in the list. guard.py protects all of them, problems.py is
the common error model, malformed.py words the faults of a body; ask.py, completions.py, speech.py, understand.py and
page.py hold the routes.
"""

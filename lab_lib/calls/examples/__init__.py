"""Example files of skills: users' utterances, each with the call that answers it. Reading, writing, checking."""

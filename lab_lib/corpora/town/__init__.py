"""The bundled corpus: a generator of dialogues in the fictional town of Tolvey, in MultiWOZ layout.

`world` is the town, `goals` what users want, `user` and `system` the two speakers, `phrases_*` and `wording_*` their
words, `simulate` a dialogue, `write` the files.
"""

from lab_lib.corpora.town.write import make_town

__all__ = ["make_town"]

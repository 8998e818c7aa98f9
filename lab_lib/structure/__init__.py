"""The structure of dialogues: embed and cluster utterances, and count the transitions between clusters."""

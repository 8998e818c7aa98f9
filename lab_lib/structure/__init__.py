"""What shape do dialogues have? Utterances embedded and clustered, and the ways from cluster to cluster."""

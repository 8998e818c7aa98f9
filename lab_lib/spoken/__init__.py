"""How well does a trained model do when requests are spoken? Word error rate and call accuracy, per voice and speed."""

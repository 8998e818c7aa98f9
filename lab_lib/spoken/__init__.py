"""Measure a trained model on spoken requests: word error rate and call accuracy, per voice and speed."""

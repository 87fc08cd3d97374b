"""The functions that expressions may call, by subject.

https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
"""

"""inference: finds the language of a file by its name, else by its content."""

from gristmill.syntax.inference.guess import Guess
from gristmill.syntax.inference.infer import How, Inferred, classify, infer_content, infer_language

__all__ = ["Guess", "How", "Inferred", "classify", "infer_content", "infer_language"]

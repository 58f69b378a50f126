"""Types of questions, and how their answers are written: options of generations of questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from sishu.cli.parse_options import chosen
from sishu.cli.texts import say
from sishu.generation.v1.generation_pb2 import GenerationOptions
from sishu.generation.v1.question_options_pb2 import AnswerLength, AnswerReasoning
from sishu.generation.v1.question_pb2 import QuestionType


@dataclass(frozen=True)
class QuestionOptions:
    """What questions ask for, and how they are answered; what is not said is left to the service."""

    question_types: Annotated[str, typer.Option(metavar="TYPES", help=say("question_types"))] = ""
    answer_length: Annotated[str, typer.Option(help=say("answer_length"))] = ""
    answer_style: Annotated[str, typer.Option(help=say("answer_style"))] = ""
    reasoning: Annotated[str, typer.Option(help=say("answer_reasoning"))] = ""

    def fill_questions(self, options: GenerationOptions) -> None:
        """Put them into the options of a generation.

        Raises:
            ApiError: a word is none of those that there are.
        """
        types = [one.strip() for one in self.question_types.split(",")] if self.question_types else []
        options.question_types.extend(chosen(QuestionType, "QUESTION_TYPE", one) for one in types)
        if self.answer_length:
            options.answers.length = chosen(AnswerLength, "ANSWER_LENGTH", self.answer_length)
        if self.answer_style:
            options.answers.style = self.answer_style
        if self.reasoning:
            options.answers.reasoning = chosen(AnswerReasoning, "ANSWER_REASONING", self.reasoning)

"""From what was given, what Triton and the folder tell, and answers: a model's entry."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.application import CHAT_TEMPLATES
from app.commands.add_model.configuration_file import ConfigurationFile
from app.commands.add_model.entry import NewModel, written_path
from app.commands.add_model.questions import Questions
from app.commands.add_model.task_guess import Guess, guess_task
from app.commands.add_model.template_guess import guess_template
from app.commands.add_model.triton_survey import GRPC, HTTP, TritonSurvey
from app.registry.folders import read_facts
from app.terminal.escapes import one_line
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.types import Task

DEFAULT_TRITON = "localhost:8001"
NO_TEMPLATE = "none"


class Choices:
    """Takes each from the arguments, or asks. Every wrong one raises CommandError."""

    def __init__(
        self, parsed: argparse.Namespace, questions: Questions, file: ConfigurationFile
    ) -> None:
        self._parsed = parsed
        self._questions = questions
        self._file = file

    def model(self) -> NewModel:
        """The whole entry."""
        urls = self._parsed.triton or [
            self._questions.text("Triton's address", "--triton", self._default_triton())
        ]
        survey = TritonSurvey.of(urls)
        triton_model = self._triton_model(survey)
        guess = self._guess(survey, triton_model)
        is_language = guess.task is Task.GENERATE
        url = survey.address(GRPC if is_language else HTTP)
        name = self._name(triton_model)
        path, folder = self._folder()
        return NewModel(
            task=guess.task,
            name=name,
            triton_model=triton_model,
            url=url,
            path=path,
            backend=self._parsed.backend or guess.backend,
            chat_template=self._template(folder) if is_language else None,
            activation=guess.activation,
            facts=self._facts(folder) if is_language else {},
            trusts_remote_code=self._parsed.trust_remote_code,
        )

    def _default_triton(self) -> str:
        return DEFAULT_TRITON if self._questions.may_ask else ""

    def _triton_model(self, survey: TritonSurvey) -> str:
        ready = [model.name for model in survey.models.values() if model.is_ready]
        given = self._parsed.triton_model
        if given is None:
            if not ready:
                raise CommandError("this Triton has no model that is ready", advice=_states(survey))
            default = ready[0] if len(ready) == 1 else ""
            given = self._questions.choice("The model in Triton", "--triton-model", ready, default)
        if given not in survey.models:
            have = ", ".join(map(one_line, survey.models)) or "none"
            raise CommandError(
                f"this Triton has no model {given}",
                advice=f"There are: {have}",
                code=EXIT_CONFIGURATION,
            )
        if given not in ready:
            raise CommandError(f"{given} is not ready in Triton", advice=_states(survey))
        return str(given)

    def _guess(self, survey: TritonSurvey, triton_model: str) -> Guess:
        contract = survey.contract(triton_model)
        guess = guess_task(contract)
        task = Task(self._parsed.task) if self._parsed.task else None
        if guess is not None and task in (guess.task, None):
            self._questions.say(f"{one_line(triton_model)}: {guess.task.value}, {guess.reason}")
            return guess
        if guess is not None:
            self._questions.say(f"warning: it looks like {guess.task.value}, {guess.reason}")
        if task is None:
            self._questions.say(
                f"The tensors of {one_line(triton_model)} do not tell what it is for:"
                f" {one_line(', '.join(contract.inputs))} ->"
                f" {one_line(', '.join(contract.outputs))}"
            )
            tasks = [each.value for each in Task]
            task = Task(self._questions.choice("It is for", "--task", tasks))
        return Guess(task, "as given")

    def _name(self, triton_model: str) -> str:
        name = self._parsed.name or self._questions.text(
            "The name for clients", "--name", triton_model
        )
        if name in self._file.names():
            raise CommandError(
                f"{self._file.path.name} has a model {name} already",
                advice="Give this one another name with --name.",
                code=EXIT_CONFIGURATION,
            )
        return str(name)

    def _folder(self) -> tuple[str, Path]:
        given = self._parsed.path or self._questions.text(
            "The model's Hugging Face folder", "--path"
        )
        path, folder = written_path(given, self._file.path)
        if not folder.is_dir():
            raise CommandError(
                f"there is no folder {given}",
                advice="It is the one with tokenizer.json or tokenizer.model, and config.json.",
                code=EXIT_CONFIGURATION,
            )
        return path, folder

    def _template(self, folder: Path) -> str | None:
        given = self._parsed.chat_template
        if given is not None:
            return None if given == NO_TEMPLATE else str(given)
        guess = guess_template(folder)
        if guess.has_own:
            self._questions.say(f"chat template: {guess.reason}")
            return None
        chosen = guess.file or NO_TEMPLATE
        self._questions.say(f"chat template: {chosen} is a guess, because {guess.reason}")
        files = sorted(path.name for path in CHAT_TEMPLATES.glob("*.jinja"))
        chosen = self._questions.choice(
            "The chat template", "--chat-template", [*files, NO_TEMPLATE], chosen
        )
        return None if chosen == NO_TEMPLATE else chosen

    def _facts(self, folder: Path) -> dict[str, int]:
        """What was given, and what the folder does not tell."""
        parsed, known = self._parsed, read_facts(folder)
        wanted = (
            ("start_id", parsed.start_id, known.bos_id, "the begin token's id, -1 for none"),
            ("end_id", parsed.end_id, known.eos_ids or None, "the end token's id"),
            ("max_len", parsed.max_len, known.context, "the longest context in tokens"),
        )
        facts = {key: given for key, given, _, _ in wanted if given is not None}
        for key, _, told, label in wanted:
            # A model without a begin token is nothing unusual, and needs no word.
            if key not in facts and told is None and key != "start_id":
                flag = "--" + key.replace("_", "-")
                facts[key] = self._questions.number(f"the folder does not tell {label}", flag)
        return facts


def _states(survey: TritonSurvey) -> str:
    told = [
        f"{each.name} is {each.state or 'not loaded'} {each.reason}"
        for each in survey.models.values()
        if not each.is_ready
    ]
    return "Triton says: " + one_line("; ".join(told)) if told else "It has none at all."

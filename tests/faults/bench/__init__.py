"""The fault bench: models that misbehave on request, a proxy that breaks connections, a gateway.

    @pytest.mark.case("B1", "what the report calls it")
    def test_b1(bench: Bench, case: Case, words: Words) -> None:
        case.injects("what is broken", times=20)
        with common_pass(bench, case) as watch:
            ...                           # break it, with calls or streams under way
            watch.saw(outcomes)           # looked at for HTML and silent ends
            case.exactly("what is counted", 0, 0)
            case.at_most("what takes time", seconds, bar=1.0)
            watch.fault_is_over()

- `script.Script`: what one request asks of a language model, carried by its `seed`
- `repository`: the Triton models `llm`, `llm-bad`, `text-bad`, `embed`, ..., and their entries, of
  which those named `...-soon` have short limits
- `words.Words`: prompts, and the right text of every answer
- `proxy.FaultProxy`: a TCP proxy that refuses, swallows, delays, cuts and corrupts; `faults.Fault`
- `network.Namespace`: a link that can be cut as a dead host cuts it, where the machine allows it
- `gateway.Gateway`: the server by its real command line, with what is known of its workers
- `client`: calls, streams and traffic whose `Outcome` says how each ended
- `common`: the `Bench`, and `common_pass` with what must hold in every case
- `tests.faults.record.Case`: the figures of a case, their bars, and the file of the report
"""

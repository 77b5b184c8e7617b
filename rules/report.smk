"""Report on the run, then end it: with an error if anything failed, after all else is done.

In: the published state and the records of the run. Out: reports/<generation>.html, and the
run's conclusion.
"""


localrules:
    write_report,
    conclude_run,


rule write_report:
    input:
        published=rules.publish_generation.output.published,
    output:
        receipt=RUN.report,
    log:
        f"{SESSION.logs}/write_report.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        group=CONFIG.group,
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"


rule conclude_run:
    input:
        report=rules.write_report.output.receipt,
        published=rules.publish_generation.output.published,
        fetched=fetch_receipts,
        plans=plans_below,
        calibrated=receipts_below,
    output:
        conclusion=RUN.conclusion,
    log:
        f"{SESSION.logs}/conclude_run.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        strict=CONFIG.strict,
        conditions=conditions,
    message:
        "Concluding"
    script:
        "../scripts/conclude_run.py"

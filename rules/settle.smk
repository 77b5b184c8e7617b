"""Find the associations that MAST has reprocessed only in part: they wait for the rest.

In: the poll, the upstream files. Out: which associations are unsettled, why and since when, and
which of their members MAST does not list.
"""


localrules:
    settle_observations,


rule settle_observations:
    input:
        poll=RUN.poll,
        fetched=fetch_receipts,
    output:
        settling=RUN.settling,
    log:
        f"{SESSION.logs}/settle_observations.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        days=CONFIG.settle_days,
        accept=canonical(CONFIG.accept_unsettled),
    message:
        "Looking for associations that MAST has reprocessed in part"
    script:
        "../scripts/settle_observations.py"

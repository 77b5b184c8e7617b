"""Find the associations that MAST has half updated: what is of them is kept, and waits.

In: the poll, what is held of upstream. Out: which associations are unsettled, why and since when,
and which of their members MAST does not list.
"""


localrules:
    settle_observations,


rule settle_observations:
    input:
        poll=f"{RUN}/changes.json",
        fetched=fetch_receipts,
    output:
        settling=f"{RUN}/settling.json",
    log:
        f"{LOGS}/settle_observations.log",
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        days=CONFIG.settle_days,
        accept=canonical(CONFIG.accept_unsettled),
    message:
        "Looking for what MAST has half updated"
    script:
        "../scripts/settle_observations.py"

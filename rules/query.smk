"""Ask MAST what the config's programs have, and how that differs from the mirror.

In: the archive, the current generation. Out: the poll (listings and changes, with reasons) and
the orders, one per observation that has something to fetch. If nothing changed since the last
run, CRDS is asked, too; if nothing changed there either, that is recorded, and the run ends.
"""


localrules:
    query_archive,


checkpoint query_archive:
    output:
        poll=RUN.poll,
        orders=RUN.orders,
    log:
        f"{SESSION.logs}/query_archive.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        url=CONFIG.archive_url if CONFIG.polls else "",
        token_socket=SESSION.token_socket,
        token_variable=CONFIG.token_variable,
        downloads=CONFIG.downloads,
        when_deselected=CONFIG.when_deselected,
        selections=canonical(CONFIG.selections),
        searches=canonical(CONFIG.searches),
        accept_vanished=canonical(CONFIG.accept_vanished),
        accept_refused=canonical(CONFIG.accept_refused),
        limits={
            "vanish_limit": CONFIG.vanish_limit,
            "recheck": CONFIG.recheck,
            "keep_free": CONFIG.keep_free,
            "fetch_gb": CONFIG.max_fetch_gb,
        },
        conditions=conditions,
        content=(
            f"Asking {CONFIG.archive_url} what the programs have"
            if CONFIG.polls
            else "Using what the mirror has; MAST is not asked"
        ),
    message:
        "{params.content}"
    script:
        "../scripts/query_archive.py"

"""A real Slurm on this machine: its own munge key, database, controller and two nodes.

Needs root and Debian's Slurm packages; nothing of it outlives its block. A second one waits.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

from jwmirror.core.files import replace_symlink
from tests.setup.other_user import NOBODY

NODES = ("n1", "n2")
PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sacctmgr", "sbatch")
LINKS = Path("/etc/slurm")  # where srun inside a job looks, whatever its environment says
DAEMONS = "/usr/sbin"  # not on everybody's PATH
PATIENCE_S = 60
OPTIONS = (  # what this site would write into its copy of profiles/slurm
    *("--default-resources", "slurm_account=lab"),
    *("--slurm-init-seconds-before-status-checks", "5"),
    *("--latency-wait", "20"),
)
TWO_CPUS = ("--set-threads", "calibrate_batch=2")  # a job takes a node

AUTH = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
SlurmUser=root
"""
SLURMDBD_CONF = (
    AUTH
    + """\
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd}
LogFile={root}/log/slurmdbd.log
PidFile={root}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
"""
)
SLURM_CONF = (
    AUTH
    + """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
ProctrackType=proctrack/{tracking}
TaskPlugin=task/{tasks}
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={root}/munge/socket
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=main Nodes=ALL Default=YES MaxTime=01:00:00 State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=01:00:00 State=UP PriorityTier=2
"""
)
NODE = """\
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=8000
"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
"""
CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "freezer")  # version 1; with version 2, Slurm 22.05 wants systemd


def missing() -> str:
    """Why a cluster cannot be started here; empty if it can."""
    if DAEMONS not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] += os.pathsep + DAEMONS
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if os.geteuid() != 0:
        return "a private Slurm needs root"
    return f"not installed: {', '.join(absent)}" if absent else ""


def can_limit_memory() -> bool:
    """Whether the kernel can end the jobs of a cluster here that use more memory than they have."""
    return all(os.access(CGROUPS / name / "tasks", os.W_OK) for name in CONTROLLERS)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    """Return as soon as `ready()`; TimeoutError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not ready after {PATIENCE_S} s")
        time.sleep(0.1)


def succeeds(*command: str) -> bool:
    """Whether a command ends with 0."""
    return subprocess.run(command, capture_output=True).returncode == 0


class Cluster:
    """A Slurm of two nodes with 2 CPUs each, all its daemons on this machine.

    With `limits_memory`, each step of a job is in a cgroup with the memory of the job.
    """

    def __init__(self, limits_memory: bool = False):
        self.limits_memory = limits_memory
        self.root = Path(tempfile.mkdtemp(prefix="slurm."))
        self.root.chmod(0o711)  # munge and mysql must get through
        self.host = socket.gethostname().split(".")[0]
        self.users = (os.environ.get("USER") or "root", pwd.getpwuid(NOBODY).pw_name)
        self.database: subprocess.Popen | None = None
        self.ports: list[int] = []

    def __enter__(self) -> "Cluster":
        LINKS.mkdir(exist_ok=True)
        self._turn = os.open(LINKS, os.O_RDONLY)
        fcntl.flock(self._turn, fcntl.LOCK_EX)  # there is one place for the links
        self.ports = free_ports(3 + len(NODES))
        for folder in ("run", "log", "state", "db", "etc", "munge", *(f"spool/{n}" for n in NODES)):
            (self.root / folder).mkdir(parents=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for link in ("slurm.conf", "slurmdbd.conf"):
            if (LINKS / link).is_symlink() and (LINKS / link).resolve() == self.conf(link):
                (LINKS / link).unlink()
        names = [*(f"slurmd-{node}" for node in NODES), "slurmctld", "slurmdbd"]
        for name in [*(self.root / "run" / f"{n}.pid" for n in names), self.root / "munge/pid"]:
            self._end(name)
        if self.database:
            self.database.terminate()
            self.database.wait(PATIENCE_S)
        for controller, node in product(CONTROLLERS, NODES):  # Slurm leaves its folders
            for folder, *_ in os.walk(CGROUPS / controller / f"slurm_{node}", topdown=False):
                with suppress(OSError):  # a step that a failed test has left is still in it
                    os.rmdir(folder)
        shutil.rmtree(self.root)
        os.close(self._turn)

    def conf(self, name: str) -> Path:
        """The path of one of the cluster's configuration files."""
        return (self.root / "etc" / name).resolve()

    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this cluster."""
        return {"SLURM_CONF": str(self.conf("slurm.conf"))}

    def sacct(self, *fields: str) -> list[list[str]]:
        """These fields of every job that was accounted; without any: its name, state and node."""
        names = ",".join(fields or ("JobName", "State", "NodeList"))
        done = subprocess.run(
            ["sacct", "-a", "-X", "-n", "-P", "-o", names],
            env=os.environ | self.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split("|") for line in done.stdout.splitlines()]

    def requests(self) -> dict[str, int]:
        """The memory (MB) that each job requested, by id."""
        return {job: int(memory.rstrip("M")) for job, memory in self.sacct("JobIDRaw", "ReqMem")}

    def _start(self) -> None:
        self._start_munge()
        self._start_database()
        self._write_conf()
        os.environ |= self.environment()
        subprocess.run(["slurmdbd"], check=True, cwd=self.root / "run")
        wait_for("slurmdbd", lambda: succeeds("sacctmgr", "-n", "-i", "list", "cluster"))
        for words in (
            "add cluster test",
            "add account lab cluster=test",
            *(f"add user {user} account=lab cluster=test" for user in self.users),
        ):
            subprocess.run(["sacctmgr", "-i", "-Q", *words.split()], check=True)
        subprocess.run(["slurmctld"], check=True)
        for node in NODES:
            subprocess.run(["slurmd", "-N", node], check=True)
        wait_for("nodes", self._nodes_are_idle)

    def _nodes_are_idle(self) -> bool:
        command = ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"]  # of each partition
        lines = subprocess.run(command, capture_output=True, text=True).stdout.split()
        return {*lines} == {*NODES}

    def _start_munge(self) -> None:
        folder, key = self.root / "munge", self.root / "etc" / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for path in (folder, key):
            shutil.chown(path, "munge", "munge")
        folder.chmod(0o755)
        options = {"key-file": key, "socket": folder / "socket", "pid-file": folder / "pid"}
        options |= {"log-file": folder / "log", "seed-file": folder / "seed"}
        subprocess.run(
            ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "--force"]
            + [f"--{option}={path}" for option, path in options.items()],
            check=True,
        )

    def _start_database(self) -> None:
        folder = self.root / "db"
        shutil.chown(folder, "mysql", "mysql")
        common = ["--user=mysql", f"--datadir={folder}"]
        install = ["mariadb-install-db", "--auth-root-authentication-method=normal"]
        subprocess.run([*install, *common], check=True, capture_output=True)
        server = ["mariadbd", "--no-defaults", "--skip-name-resolve", *common]
        server += [f"--socket={folder}/socket", f"--port={self.ports[0]}"]
        server += ["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M"]
        with open(self.root / "log" / "mariadb.log", "w") as log:
            self.database = subprocess.Popen(server, stdout=log, stderr=log)
        admin = ("mariadb-admin", "-S", f"{folder}/socket", "ping")
        wait_for("mariadb", lambda: succeeds(*admin))
        user = "slurm@127.0.0.1 identified by 'slurm'"
        words = f"create user {user}; grant all on slurm_acct_db.* to slurm@127.0.0.1;"
        subprocess.run(["mariadb", "-S", f"{folder}/socket", "-e", words], check=True)

    def _write_conf(self) -> None:
        database, dbd, ctld, *daemons = self.ports
        values = {"root": self.root, "host": self.host, "database": database, "dbd": dbd}
        tracking, tasks = ("cgroup", "cgroup") if self.limits_memory else ("linuxproc", "none")
        conf = SLURM_CONF.format(ctld=ctld, tracking=tracking, tasks=tasks, **values) + "".join(
            NODE.format(node=node, host=self.host, port=port)
            for node, port in zip(NODES, daemons, strict=True)
        )
        self.conf("slurm.conf").write_text(conf)
        self.conf("cgroup.conf").write_text(CGROUP_CONF if self.limits_memory else "")
        self.conf("slurmdbd.conf").write_text(SLURMDBD_CONF.format(**values))
        self.conf("slurmdbd.conf").chmod(0o600)
        for name in ("slurm.conf", "slurmdbd.conf"):
            replace_symlink(LINKS / name, str(self.conf(name)))

    def _end(self, pid_file: Path) -> None:
        """End a daemon by its pid file, and wait until it is gone."""
        try:
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
        wait_for(f"end of {pid_file.stem}", lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

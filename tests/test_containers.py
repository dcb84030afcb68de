"""The files for containers are what Compose, Kubernetes and a builder of images understand."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from model_serving.config import Config

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "conf/container/Dockerfile"
COMPOSE = ROOT / "conf/container/compose.yaml"
MANIFESTS = sorted(ROOT.glob("conf/kubernetes/**/*.yaml"))
OLDEST, NEWEST = "1.30", "1.37"  # of Kubernetes, for which the manifests are meant
MODELS_END_S = 15
CHECKS = {
    "Dockerfile": ["hadolint"],
    "compose.yaml": ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"],
    "oldest": ["kubernetes-validate", "--strict", "-k", OLDEST],
    "newest": ["kubernetes-validate", "--strict", "-k", NEWEST],
}


def check(kind: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Have files checked; a kind of resource that a version does not know is only warned of."""
    checked = subprocess.run([*CHECKS[kind], *paths], capture_output=True, text=True)
    assert "WARN" not in checked.stdout
    return checked


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("Dockerfile", [DOCKERFILE]),
        ("compose.yaml", [COMPOSE]),
        ("oldest", MANIFESTS),
        ("newest", MANIFESTS),
    ],
)
def test_file_is_right(kind: str, paths: list[Path]) -> None:
    checked = check(kind, *paths)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("kind", "path", "right", "wrong"),
    [
        ("Dockerfile", DOCKERFILE, "WORKDIR", "WORKDIRECTORY"),
        ("compose.yaml", COMPOSE, "healthcheck", "healthcheque"),
        ("newest", ROOT / "conf/kubernetes/front.yaml", "readinessProbe", "readynessProbe"),
    ],
)
def test_misspelt_word_is_found(
    tmp_path: Path, kind: str, path: Path, right: str, wrong: str
) -> None:
    """Without this the test above would show nothing."""
    text = path.read_text(encoding="utf-8")
    assert right in text
    misspelt = tmp_path / path.name
    misspelt.write_text(text.replace(right, wrong), encoding="utf-8")
    checked = check(kind, misspelt)
    assert checked.returncode != 0
    assert str(misspelt) in checked.stdout


def test_compose_starts_nothing_without_its_passwords() -> None:
    asked = re.findall(r"\$\{(\w+PASSWORD)(:\?)?", COMPOSE.read_text(encoding="utf-8"))
    assert {name for name, _ in asked} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert all(must for _, must in asked)


def test_compose_and_kubernetes_set_what_are_settings() -> None:
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    given = [compose["services"][name]["environment"] for name in ("front", "worker")]
    given += [resource["data"] for resource in resources("ConfigMap")]
    known = {key.upper() for key in Config.__struct_fields__}
    assert {name for variables in given for name in variables} <= known


def test_nodes_have_the_time_to_end() -> None:
    needed_s = Config().graceful_timeout_s + MODELS_END_S
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    waits_s = [
        int(compose[name]["stop_grace_period"].removesuffix("s")) for name in ("front", "worker")
    ]
    for deployment in resources("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {})
        before_s = before.get("sleep", {}).get("seconds", 0)
        waits_s.append(pod["terminationGracePeriodSeconds"] - before_s)
    assert len(waits_s) == 4
    assert all(wait_s > needed_s for wait_s in waits_s)


def test_manifests_name_each_other() -> None:
    deployments = {each["metadata"]["name"]: each["spec"] for each in resources("Deployment")}
    labels = [spec["template"]["metadata"]["labels"] for spec in deployments.values()]
    [service] = resources("Service")
    chosen = [*resources("PodDisruptionBudget"), *resources("Deployment")]
    selectors = [each["spec"]["selector"]["matchLabels"] for each in chosen]
    assert all(selector in labels for selector in [*selectors, service["spec"]["selector"]])
    [front] = [spec for name, spec in deployments.items() if name.endswith("front")]
    ports = front["template"]["spec"]["containers"][0]["ports"]
    assert ports == [{"name": service["spec"]["ports"][0]["targetPort"], "containerPort": 9999}]
    [scaling] = resources("HorizontalPodAutoscaler")
    assert scaling["spec"]["scaleTargetRef"]["name"] in deployments


def resources(kind: str) -> Iterator[Any]:
    """Return the resources of a kind, of all manifests."""
    for path in MANIFESTS:
        for resource in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if resource["kind"] == kind:
                yield resource

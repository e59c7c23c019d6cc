#!/usr/bin/env python3
"""Checks the files of deploy/ as far as that goes without a cluster or a container engine.

    check.py kubernetes | metrics | images | units

`metrics` reads the table of metrics as JSON from the variable METRICS. What is wrong is printed;
the exit code is 1 then.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# The stop times of docs/OPERATING.md, in seconds.
STOPS = {"agent": 25, "coordinator": 80, "audit": 30, "gateway": 40}
# The default of the gateway's request_ms, in seconds.
REQUEST_S = 28
wrong = []


def demand(holds, text):
    if not holds:
        wrong.append(text)


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def kubernetes():
    import kubernetes_validate

    version = kubernetes_validate.latest_version()
    found = {}
    for path in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        for document in documents(path):
            where = f"{path.relative_to(ROOT)}: {document['kind']}"
            if document["kind"] == "Kustomization":
                for resource in document["resources"]:
                    demand((path.parent / resource).exists(), f"{where}: {resource} is not there")
                continue
            found.setdefault(document["kind"], []).append(document)
            validated(kubernetes_validate, document, version, where)
    for kind in ("Deployment", "StatefulSet"):
        for workload in found[kind]:
            careful(workload)
    built = built_fleet()
    for document in built:
        validated(kubernetes_validate, document, version, f"kustomize: {document['kind']}")
    budgets = {one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
               for one in found["PodDisruptionBudget"]}
    demand(budgets == {"mpic-agent", "mpic-coordinator", "mpic-gateway"}, f"disruption budgets of {budgets}")
    served(found)
    rules = documents(DEPLOY / "monitoring/rules.yaml")[0]["groups"]
    recorded = {rule.get("record") for group in rules for rule in group["rules"]}
    for scaler in found["HorizontalPodAutoscaler"]:
        metric = scaler["spec"]["metrics"][0]["external"]["metric"]["name"]
        demand(metric in recorded, f"nobody records {metric}, which agents are scaled on")
        demand(scaler["spec"]["minReplicas"] >= 2, "a perspective may have fewer than two agents")
    bus()


def validated(validator, document, version, where):
    try:
        validator.validate(document, version, strict=True)
    except validator.ValidationError as error:
        wrong.append(f"{where}: {error.message}")


def careful(workload):
    """Nothing that a process does not need, and the times that it does."""
    name, pod = workload["metadata"]["name"], workload["spec"]["template"]["spec"]
    context = pod["securityContext"]
    demand(context["runAsNonRoot"] and context["runAsUser"] > 0, f"{name} runs as root")
    demand(context["seccompProfile"]["type"] == "RuntimeDefault", f"{name}: seccomp")
    demand(pod["automountServiceAccountToken"] is False, f"{name} has a token of the cluster")
    demand(pod["terminationGracePeriodSeconds"] == STOPS[name], f"{name}: time to stop")
    secret_volumes = {volume["name"] for volume in pod["volumes"]
                      if "secret" in volume or "projected" in volume}
    for container in pod["containers"] + pod["initContainers"]:
        own = container["securityContext"]
        demand(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
               and own["capabilities"]["drop"] == ["ALL"], f"{name}: {container['name']} may more")
        demand("memory" in container["resources"]["limits"], f"{name}: memory without a limit")
        for mount in container["volumeMounts"]:
            if mount["name"] in secret_volumes:
                demand(mount["readOnly"], f"{name}: {mount['name']} can be written")
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            demand("secretKeyRef" not in source, f"{name}: a secret in the environment")
    (main,) = pod["containers"]
    demand(main["livenessProbe"]["httpGet"]["path"] == "/livez", f"{name}: liveness")
    demand(main["readinessProbe"]["httpGet"]["path"] == "/readyz", f"{name}: readiness")


def served(found):
    """Each Service leads to a port of a workload that there is, and clients may come to it."""
    workloads = {one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: one
                 for kind in ("Deployment", "StatefulSet") for one in found[kind]}
    for service in found["Service"]:
        name = service["spec"]["selector"]["app.kubernetes.io/name"]
        (main,) = workloads[name]["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in main["ports"]}
        for port in service["spec"]["ports"]:
            demand(port["targetPort"] in ports, f"{name}: the service leads to {port['targetPort']}")
    gateway = workloads["mpic-gateway"]["spec"]["template"]["spec"]
    (main,) = gateway["containers"]
    wait = main["lifecycle"]["preStop"]["sleep"]["seconds"]
    limits = tomllib.loads((DEPLOY / "config/gateway.toml").read_text(encoding="utf-8"))
    demand("request_ms" not in limits["limits"], "the sample leaves the default of request_ms")
    demand(gateway["terminationGracePeriodSeconds"] >= wait + REQUEST_S + 5,
           "a gateway is killed before its answers are out")
    opened = {rule["port"] for policy in found["NetworkPolicy"]
              if policy["metadata"]["name"] == "clients"
              for ingress in policy["spec"]["ingress"] for rule in ingress["ports"]}
    listening = {port["containerPort"] for port in main["ports"] if port["name"] == "https"}
    demand(opened == listening, f"clients may reach {opened}, and the gateway is at {listening}")


def built_fleet():
    """What kustomize makes of the fleet, where there is a kustomize."""
    if not shutil.which("kubectl"):
        print("skipped: kubectl is not here, so kustomize makes nothing of the manifests")
        return []
    command = ["kubectl", "kustomize", DEPLOY / "kubernetes/fleet"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    demand(made.returncode == 0, made.stderr)
    built = [document for document in yaml.safe_load_all(made.stdout) if document]
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"]["metrics"][0]["external"]["metric"]
              for one in built if one["kind"] == "HorizontalPodAutoscaler"}
    agents = [one for one in built if one["kind"] == "Deployment"
              and one["metadata"]["labels"]["app.kubernetes.io/name"] == "mpic-agent"]
    demand(len(agents) == 2 and len(scaled) == 2, "agents of two perspectives, each scaled")
    for agent in agents:
        name, labels = agent["metadata"]["name"], agent["spec"]["selector"]["matchLabels"]
        perspective = labels["mpic.perspective"]
        demand(name == f"agent-{perspective}", f"{name} serves {perspective}")
        (secret,) = [volume["secret"]["secretName"]
                     for volume in agent["spec"]["template"]["spec"]["volumes"] if "secret" in volume]
        demand(secret == name, f"{name} has the files of {secret}")
        selected = scaled.get(name, {}).get("selector", {}).get("matchLabels")
        demand(selected == {"perspective": perspective}, f"{name} is scaled on {selected}")
    return built


def bus():
    """Settings of the bus that safety rests on, and the accounts as its values take them."""
    values = documents(DEPLOY / "nats/values.yaml")[0]["config"]
    demand(values["cluster"]["replicas"] == 3, "the bus has not three nodes")
    demand(values["jetstream"]["merge"]["sync_interval"] == "always", "records are not synced")
    for listener in (values["nats"], values["cluster"]):
        demand(listener["tls"]["enabled"] and listener["tls"]["merge"]["verify"], "TLS is not mutual")
    leaves = values["leafnodes"]["tls"]["merge"]
    demand(leaves["verify_and_map"] is True, "a leaf node need not be one of the fleet's")
    demand(any(key.endswith("$include") for key in values["merge"]), "no accounts are included")


NAME = re.compile(r"\bmpic_[a-z_]+")
SELECTOR = re.compile(r"\b(mpic_[a-z_]+)\s*\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
# What Prometheus adds to every series that it takes, and to buckets.
ADDED = {"instance", "job", "le"}


def metrics():
    table = json.loads(os.environ["METRICS"])
    groups = documents(DEPLOY / "monitoring/rules.yaml")[0]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    expressions = [(rule.get("alert", rule.get("record")), rule["expr"]) for rule in rules]
    for rule in rules:
        if "alert" in rule:
            demand(rule["labels"]["severity"] in ("page", "day"), f"{rule['alert']}: severity")
            demand(rule["annotations"]["summary"], f"{rule['alert']}: no summary")
    alerts = [rule["alert"] for rule in rules if "alert" in rule]
    demand(len(set(alerts)) == len(alerts), "an alert twice")
    operating = (ROOT / "docs/OPERATING.md").read_text(encoding="utf-8")
    for alert in alerts:
        demand(f"`{alert}`" in operating, f"docs/OPERATING.md does not say what to do on {alert}")
    with open(DEPLOY / "monitoring/dashboard.json", encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    expressions += [(panel["title"], target["expr"])
                    for panel in panels for target in panel["targets"]]
    for where, expression in expressions:
        demand(expression.count("(") == expression.count(")"), f"{where}: parentheses")
        named = [name for name in NAME.findall(expression) if name not in recorded]
        known = set(ADDED)
        for name in named:
            metric = table.get(re.sub(r"_(bucket|sum|count)$", "", name))
            demand(metric is not None, f"{where}: nobody tells {name}")
            if metric:
                is_part = re.search(r"_(bucket|sum|count)$", name) is not None
                demand(is_part == (metric["kind"] == "histogram"), f"{where}: {name} has no such part")
                known |= set(metric["labels"])
                is_rated = re.search(rf"(rate|increase)\(\s*{name}\b", expression) is not None
                demand(is_rated == (metric["kind"] != "gauge"), f"{where}: {name} is a {metric['kind']}")
        for name, labels in SELECTOR.findall(expression):
            metric = table.get(re.sub(r"_(bucket|sum|count)$", "", name), {"labels": []})
            for label in re.findall(r"(\w+)\s*[!=]", labels):
                demand(label in metric["labels"] or label in ADDED, f"{where}: {name} has no {label}")
        for labels in GROUPING.findall(expression):
            for label in filter(None, (label.strip() for label in labels.split(","))):
                demand(label in known, f"{where}: nothing has the label {label}")
    promtool = shutil.which("promtool")
    if promtool:
        said = subprocess.run([promtool, "check", "rules", DEPLOY / "monitoring/rules.yaml"],
                              capture_output=True, text=True, check=False)
        demand(said.returncode == 0, said.stdout + said.stderr)


def images():
    text = (DEPLOY / "images/Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    programs = set(re.findall(r"-p (mpic-[a-z]+)", text))
    targets = dict(re.findall(r"FROM base AS (\S+)\n((?:(?!FROM ).*\n?)*)", text))
    demand("USER 65532:65532" in text, "the images run as root")
    crates = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1", "--offline", "--locked"],
        cwd=ROOT, capture_output=True, text=True, check=True)
    built = {target["name"]: package["name"] for package in json.loads(crates.stdout)["packages"]
             for target in package["targets"] if "bin" in target["kind"]}
    for name, lines in targets.items():
        program = re.search(r"/source/target/release/(\S+)", lines)[1]
        demand(built.get(program) in programs, f"{name}: {program} is not built")
        demand(f'ENTRYPOINT ["/usr/bin/{program}"]' in lines, f"{name} starts another program")
    demand("/usr/share/publicsuffix/public_suffix_list.dat" in targets["mpic-agent"],
           "agents have no Public Suffix List")
    compose(targets)
    for path in (DEPLOY / "kubernetes").rglob("*.yaml"):
        for image in re.findall(r"image: (mpic\S*?):", path.read_text(encoding="utf-8")):
            demand(image in targets, f"{path.name}: no image {image}")


def compose(targets):
    lab = documents(DEPLOY / "images/compose.yaml")[0]
    fleet = (DEPLOY / "config/fleet.toml").read_text(encoding="utf-8")
    for name, service in lab["services"].items():
        demand(service["read_only"] and service["cap_drop"] == ["ALL"], f"{name} may more")
        image = service["image"].split("/")[-1].split(":")[0]
        demand(image == "nats" or image in targets, f"{name}: no image {image}")
        if "build" in service:
            demand(service["build"]["target"] == image, f"{name} is built as another image")
            file = DEPLOY / "images" / service["build"]["context"] / service["build"]["dockerfile"]
            demand(file.exists(), f"{name}: {file} is not there")
        for needed in service.get("depends_on", {}):
            demand(needed in lab["services"], f"{name} waits for {needed}, which is not there")
        stop = service.get("stop_grace_period")
        kind = re.match(r"mpic-(agent|coordinator|audit|gateway)$", image)
        if kind and service["command"][0] != "init":
            demand(stop == f"{STOPS[kind[1]]}s", f"{name}: {stop} to stop")
        code = re.match(r"(?:agent-)?(.*)", name)[1]
        if kind and kind[1] == "gateway":
            demand("[gateway]" in fleet, "the sample fleet has no gateway")
        elif kind and kind[1] != "audit":
            demand(f'code = "{code}"' in fleet, f"{name}: the sample fleet has no {code}")


def units():
    """Each unit is one, and is exposed as little as a process that talks to the Internet can be."""
    if not shutil.which("systemd-analyze"):
        print("skipped: systemd-analyze is not here")
        return
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        with tempfile.TemporaryDirectory() as directory:
            # Instances of templates; a program that is there, since ours is not installed here.
            unit = pathlib.Path(directory) / path.name.replace("@", "@instance")
            text = path.read_text(encoding="utf-8")
            kind = re.search(r"mpic-(agent|coordinator|audit|gateway)", path.name)[1]
            demand(f"TimeoutStopSec={STOPS[kind]}\n" in text, f"{path.name}: time to stop")
            program = re.search(r"ExecStart=(\S+)", text)[1]
            demand(program == f"/usr/bin/mpic-{kind}", f"{path.name} starts {program}")
            demand("LoadCredential=" in text, f"{path.name}: whose are its private files?")
            unit.write_text(text.replace(program, "/bin/true"), encoding="utf-8")
            said = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
                                  capture_output=True, text=True, check=False)
            demand(said.returncode == 0 and not said.stderr.strip(), f"{path.name}: {said.stderr}")
            said = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit],
                capture_output=True, text=True, check=False)
            last = said.stdout.strip().splitlines()[-1:]
            demand(said.returncode == 0, f"{path.name} is exposed: {last}{said.stderr}")


{"kubernetes": kubernetes, "metrics": metrics, "images": images, "units": units}[sys.argv[1]]()
for line in wrong:
    print(line)
sys.exit(1 if wrong else 0)

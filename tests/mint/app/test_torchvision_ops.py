import subprocess
import sys


def test_torchvision_imports_after_the_operators_were_declared() -> None:
    program = (
        "import mint.app.torchvision_ops, torch, torchvision\n"
        "network = torchvision.models.resnet18().eval()\n"
        "print(network(torch.zeros(1, 3, 64, 64)).shape[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1000", done.stderr

"""Rounds: every server runs once, in rotating order; a ratio compares two runs of one round."""
import statistics


def take_turns(contestants, rounds):
    """The results by name, one for each round."""
    names = list(contestants)
    results = {name: [] for name in names}
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            results[name].append(contestants[name]())
    return results


def cost(server, load, seconds):
    """CPU time per answer in microseconds, after a warm-up of one second."""
    load(1)
    before = server.cpu()
    answers = load(seconds)
    return (server.cpu() - before) / answers


def ratio(ours, others):
    """The median ratio, with the lowest and the highest."""
    ratios = [own / other for own, other in zip(ours, others)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def line(title, *cells):
    print("  ".join([f"{title:34}", *cells]), flush=True)


def micros(costs):
    return f"{statistics.median(costs):7.1f} us"

"""Taking turns: everybody once a round, in another order each time; ratios are of two runs of one round."""
import statistics


def take_turns(contestants, rounds):
    """What each returned, by name and round."""
    names = list(contestants)
    results = {name: [] for name in names}
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            results[name].append(contestants[name]())
    return results


def cost(server, load, seconds):
    """CPU of an answer in microseconds, once warm."""
    load(1)
    before = server.cpu()
    answers = load(seconds)
    return (server.cpu() - before) / answers


def ratio(ours, others):
    """The median, the lowest and the highest."""
    ratios = [own / other for own, other in zip(ours, others)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def line(what, *cells):
    print("  ".join([f"{what:34}", *cells]), flush=True)


def micros(costs):
    return f"{statistics.median(costs):7.1f} us"

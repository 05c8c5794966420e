"""What one trial found: one encoding, one seed. A line of `trials.jsonl`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Measurements of one trained model.

    Args:
        encoding: Name of the encoding.
        seed: Drew the initial weights and the training batches.
        loss: Nats per scored token, by evaluated length (as text, for JSON).
        token_accuracy: Share of scored tokens whose arg max is right, by length.
        exact_match: Share of sequences whose every scored token is right, by length; empty where a
            sequence has no one right answer.
        position: Middle of each bin of positions at the longest length; empty where the task has
            no running text.
        position_loss: Mean loss of the tokens in each bin.
        order_distance: How many tokens back two neighbours were swapped.
        order_sensitivity: Mean total variation (0 to 1) of the next-token distribution after it.
        score_by_distance: Mean attention score of the first layer at distance 0, 1, 2, ..., in
            logits, less its mean over all distances.
        shift_spread: Spread of the score when both tokens shift by the same amount, as a share of
            the spread of all scores: 0 if the score depends on distance alone.
        embedding_gain: Mean norm after the hook over norm before, at the embedding; `None` if the
            encoding has no such site.
        query_key_gain: The same for query and key.
        norm_error: Largest departure of either gain from 1 at a single token.
        additive_ratio: Root mean square of what is added over that of the embedding at the start
            of training; `None` if nothing is added.
        parameters: Parameters of the encoding.
        model_parameters: Parameters of the model, the encoding's included.
        train_step: Steps at which `train_loss_curve` was taken.
        train_loss_curve: Mean training loss of the steps since the one before.
        tokens_per_second: Of training; median over stretches of steps.
        peak_memory: Bytes that training added to the process, or to the GPU.
        seconds: From start to end, evaluation included.
    """

    encoding: str
    seed: int
    loss: dict[str, float]
    token_accuracy: dict[str, float]
    exact_match: dict[str, float]
    position: list[float]
    position_loss: list[float]
    order_distance: list[int]
    order_sensitivity: list[float]
    score_by_distance: list[float]
    shift_spread: float
    embedding_gain: float | None
    query_key_gain: float | None
    norm_error: float
    additive_ratio: float | None
    parameters: int
    model_parameters: int
    train_step: list[int]
    train_loss_curve: list[float]
    tokens_per_second: float
    peak_memory: int
    seconds: float

    @property
    def train_loss(self) -> float:
        """Training loss at the end."""
        return self.train_loss_curve[-1]

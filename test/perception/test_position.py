"""The map is flattened, not pooled: an offset of plug to socket can be read to a fraction of a pixel."""

import torch
from synthetic import draw
from torch import nn

from priorrl_core.perception.encoder import DAIBEncoder, EncoderConfig
from priorrl_core.perception.preprocess import to_tensor


def test_offset_is_read_to_half_a_pixel_on_looks_never_seen():
    torch.manual_seed(0)
    train, test = draw(48, 120, 0), draw(8, 100, 99)
    encoder, head = DAIBEncoder(EncoderConfig(mode="erm")), nn.Linear(64, 2)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=450)
    x, y = to_tensor(train.images), torch.from_numpy(train.offset_px)
    for _ in range(450):
        index = torch.randint(0, len(x), (64,))
        loss = nn.functional.smooth_l1_loss(head(encoder(x[index]).z), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    error = (head(encoder.features(to_tensor(test.images))) - torch.from_numpy(test.offset_px)).abs()
    assert float(error.median()) < 0.5

"""Shows each camera image to the frozen networks: policy features first, then the VQ-VAE's view of it."""

from __future__ import annotations

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from priorrl.msg import Codes, Latent
from priorrl_core.errors import DataError
from priorrl_core.perception.frozen_encoder import FrozenEncoder
from priorrl_core.perception.preprocess import check_image
from priorrl_core.training.runtime import configure_torch
from priorrl_nodes import models
from priorrl_nodes.diagnostics import Diagnostics
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import floats, image_array, image_message
from priorrl_nodes.qos import CONTROL, STEPS

#: Work that nobody waits for begins so late after the control path's, on machines with few cores [s].
GIVE_WAY_S = 0.005


class Perception(ManagedNode):
    """In: ``camera/image_raw``. Out: ``latent``; then, for listeners, ``codes`` and ``reconstruction``."""

    PARAMETERS = (
        Param("checkpoint", "", "Checkpoint folder with agent.safetensors and vqvae.safetensors."),
        Param("reconstruct_every", 5, "One image of so many is reconstructed (it is for people); 0: none.",
              0, 1000, read_only=False),
    )

    def setup(self) -> None:
        configure_torch()
        agent = models.load_agent(self.param("checkpoint"))
        self.encoder, self.encoder_hash = FrozenEncoder(agent.encoder("policy")), agent.encoder_hash()
        self.vqvae = models.load_vqvae(self.param("checkpoint"))
        self.vqvae_hash = self.vqvae.hash() if self.vqvae else ""
        if self.vqvae is None:
            self.get_logger().warning("the checkpoint has no VQ-VAE: no codes, no reconstruction")
        self.seen = 0
        self.latent = self.make_publisher(Latent, "latent", STEPS)
        self.codes = self.make_publisher(Codes, "codes", CONTROL)
        self.reconstruction = self.make_publisher(Image, "reconstruction", CONTROL)
        self.diagnostics = Diagnostics(self, self.make_publisher(DiagnosticArray, "diagnostics", CONTROL))
        self._warm_up()
        self.make_subscription(Image, "camera/image_raw", self.on_image, CONTROL)

    def _warm_up(self) -> None:
        """The first calls of a network take milliseconds; nobody waits for these."""
        blank = np.zeros((1, 48, 48, 3), np.uint8)
        for _ in range(20):
            self.encoder(blank[0])
            if self.vqvae is not None:
                self.vqvae.decode(self.vqvae.encode(blank)[0])

    def on_image(self, message: Image) -> None:
        """The control path ends at the first publish; what follows is for goals, people and the record."""
        try:
            image = check_image(image_array(message), message.encoding)
        except DataError as error:
            self.diagnostics.error(f"camera/image_raw: {error}")
            return
        out = Latent(header=message.header, encoder_hash=self.encoder_hash)
        out.features = floats(self.encoder(image), "f")
        self.latent.publish(out)
        self.diagnostics.good()
        self._look_closer(message, image)

    def _look_closer(self, message: Image, image: np.ndarray) -> None:
        """The VQ-VAE's view, for goals, people and the record."""
        if self.vqvae is None:
            return
        self.seen += 1
        every = self.param("reconstruct_every")
        wanted = every > 0 and self.seen % every == 0 and self.reconstruction.get_subscription_count() > 0
        if not wanted and self.codes.get_subscription_count() == 0:
            return
        time.sleep(GIVE_WAY_S)  # the controller may need this core
        codes, embedding = self.vqvae.encode(image[None])
        out = Codes(header=message.header, encoder_hash=self.vqvae_hash, codes=codes.ravel())
        out.embedding = floats(embedding, "f")
        self.codes.publish(out)
        if wanted:
            picture = self.vqvae.decode(codes)[0]
            self.reconstruction.publish(image_message(picture, message.header.stamp, message.header.frame_id))


def main() -> int:
    return run(lambda: Perception("perception"))


if __name__ == "__main__":
    raise SystemExit(main())

/** A photo from the camera of this device. */

import { Alert, Button, Modal, Stack } from "@mantine/core";
import { IconCamera } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { words } from "../../words";

const t = words.classify;

export function Camera({ onPhoto, onClose }: { onPhoto: (file: File) => void; onClose: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<"opening" | "ready" | "failed">("opening");
  useEffect(() => {
    let stream: MediaStream | null = null;
    let isGone = false;
    open()
      .then((opened) => {
        stream = opened;
        if (isGone) return stop(opened);
        if (video.current) video.current.srcObject = opened;
      })
      .catch(() => setState("failed"));
    return () => {
      isGone = true;
      if (stream) stop(stream);
    };
  }, []);

  async function take() {
    if (!video.current) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.current.videoWidth;
    canvas.height = video.current.videoHeight;
    canvas.getContext("2d")?.drawImage(video.current, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    const name = `camera-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.jpg`;
    if (blob) onPhoto(new File([blob], name, { type: "image/jpeg" }));
  }

  return (
    <Modal opened onClose={onClose} title={t.camera} size="lg">
      <Stack>
        {state === "failed" ? (
          <Alert color="yellow" title={t.cameraFailed}>
            {t.cameraFailedDetail}
          </Alert>
        ) : (
          <>
            <video
              ref={video}
              autoPlay
              playsInline
              muted
              className="sl-picture"
              aria-label={t.cameraView}
              // An open camera has no picture yet; a photo of nothing would be lost without a word.
              onLoadedData={() => setState("ready")}
            />
            <Button
              leftSection={<IconCamera size={18} aria-hidden />}
              onClick={take}
              loading={state === "opening"}
              data-autofocus
            >
              {t.takePhoto}
            </Button>
          </>
        )}
      </Stack>
    </Modal>
  );
}

function open(): Promise<MediaStream> {
  // Missing on pages that came over plain HTTP from another machine.
  if (!navigator.mediaDevices) return Promise.reject(new Error("no camera"));
  return navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 } },
  });
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

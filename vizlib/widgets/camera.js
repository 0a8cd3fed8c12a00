// A camera for the kernel. It sends one reduced picture and waits for the answer before it takes the next, so a slow
// kernel sees fewer pictures, never old ones. Nothing is stored, and the camera's light is off when no picture is wanted.
const SETTLES = 600; // milliseconds that a camera takes to get used to the light, before a single photo
const PATIENCE = 3000; // milliseconds without an answer after which the page says that the kernel is busy
const QUALITY = 0.85; // of the JPEG that is sent

const REFUSED = {
    NotAllowedError: "the camera was not allowed: allow it for this page (the sign beside the address), then try again",
    NotFoundError: "no camera was found: connect one and try again, or choose a picture instead",
    OverconstrainedError: "no camera was found: connect one and try again, or choose a picture instead",
    NotReadableError: "the camera is used by another program, such as a video call: end it there, then try again",
    AbortError: "the camera is used by another program, such as a video call: end it there, then try again",
};

async function opened() {
    if (!navigator.mediaDevices?.getUserMedia)
        throw new Error(window.isSecureContext
            ? "this browser offers no camera: use a current Chrome, Edge, Firefox or Safari"
            : "browsers give the camera only to pages from https:// or from this computer: open the notebook at "
                + "http://localhost or http://127.0.0.1, or through https");
    try {
        return await navigator.mediaDevices.getUserMedia({
            audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" },
        });
    } catch (error) {
        throw new Error(REFUSED[error.name] ?? `the camera cannot be used: ${error.message || error.name}`);
    }
}

function wait(milliseconds) {
    return new Promise(done => setTimeout(done, milliseconds));
}

export default {
    render({ model, el }) {
        const button = document.createElement("button"), message = document.createElement("span");
        const video = document.createElement("video"), canvas = document.createElement("canvas");
        let stream = null, number = 0, sent = 0, frames = [], timer = 0, starting = false;
        button.className = "jupyter-button widget-button lm-mod-button";
        button.style.width = "auto";
        button.title = model.get("tooltip");
        message.setAttribute("role", "status");
        message.style.marginLeft = "4px";
        video.muted = true;
        video.playsInline = true;
        const live = () => model.get("live");
        const say = text => { if (message.textContent !== text) message.textContent = text; };
        const label = () => { button.textContent = stream ? "stop the camera" : model.get("description"); };

        function stop(text = "") {
            clearTimeout(timer);
            stream?.getTracks().forEach(track => track.stop());
            stream = video.srcObject = null;
            sent = 0;
            label();
            say(text);
        }

        // What the camera shows now: the square in its middle, as in a mirror, or for a single photo all of it.
        function drawn() {
            const [width, height] = [video.videoWidth, video.videoHeight];
            const square = Math.min(width, height), side = model.get("side");
            if (live()) {
                canvas.width = canvas.height = side;
            } else {
                const scale = Math.min(1, side / square);
                [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
            }
            const context = canvas.getContext("2d");
            context.imageSmoothingQuality = "high";
            if (live()) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
            const [across, down] = live() ? [square, square] : [width, height];
            context.drawImage(video, (width - across) / 2, (height - down) / 2, across, down, 0, 0, canvas.width, canvas.height);
            return new Promise(done => canvas.toBlob(done, "image/jpeg", QUALITY));
        }

        async function send() {
            if (!stream || sent) return;
            if (live() && document.hidden) return say("resting: this page is in the background");
            sent = performance.now(); // before the picture is encoded: no second one meanwhile
            const blob = await drawn();
            if (!stream) return;
            if (!blob) return stop("the camera gives no picture: try again");
            model.send({ number: ++number }, undefined, [await blob.arrayBuffer()]);
            timer = setTimeout(() => say("waiting for the kernel: it is busy with another cell, or this cell has to be run again"), PATIENCE);
        }

        function answered(content) {
            if (content.taken !== number || !sent) return;
            clearTimeout(timer);
            const now = performance.now();
            frames = [...frames, now].filter(time => now - time < 2000);
            sent = 0;
            if (!live()) return stop();
            say(`${Math.round((frames.length - 1) / Math.max(0.001, (now - frames[0]) / 1000))} pictures a second`);
            requestAnimationFrame(send);
        }

        async function start() {
            starting = true;
            say("opening the camera …");
            try {
                stream = await opened();
                if (!el.isConnected) return stop();
                stream.getTracks().forEach(track => track.addEventListener("ended", () => stop("the camera is gone: connect it and start again")));
                video.srcObject = stream;
                await video.play();
                label();
                if (!live()) await wait(SETTLES);
                frames = [];
                await send();
            } catch (error) {
                stop(error.message);
            } finally {
                starting = false;
            }
        }

        const seen = () => { if (!document.hidden) send(); else if (stream && live()) say("resting: this page is in the background"); };
        button.onclick = () => { if (stream) stop(); else if (!starting) start(); };
        label();
        el.append(button, message);
        document.addEventListener("visibilitychange", seen);
        model.on("msg:custom", answered);
        return () => {
            document.removeEventListener("visibilitychange", seen);
            model.off("msg:custom", answered);
            stop();
        };
    },
};

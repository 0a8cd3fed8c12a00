// A button that sends one picture to the kernel. A large one is reduced here first: a notebook server closes the
// connection when a message is over its limit, 10 MB by default, and a phone's photo often is.
const LARGEST = 3e6; // bytes that are sent as they are
const SIDE = 2048; // pixels of the longer side of a picture that is reduced

async function reduced(file) {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    const context = canvas.getContext("2d");
    context.fillStyle = "white"; // what is transparent becomes white, as it does when vizlib reads the file itself
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return new Promise(done => canvas.toBlob(done, "image/jpeg", 0.92));
}

function megabytes(bytes) {
    return `${(bytes / 1e6).toFixed(1)} MB`;
}

export default {
    render({ model, el }) {
        const input = document.createElement("input"), button = document.createElement("button");
        const message = document.createElement("span");
        input.type = "file";
        input.accept = "image/*";
        input.hidden = true;
        input.setAttribute("aria-label", "a picture of your own");
        button.className = "jupyter-button widget-button lm-mod-button";
        button.style.width = "auto";
        message.setAttribute("role", "status");
        const label = () => { button.textContent = model.get("description"); };
        label();
        model.on("change:description", label);
        button.onclick = () => input.click();
        input.onchange = async () => {
            const file = input.files[0];
            if (!file) return;
            message.textContent = ` reading ${file.name} …`;
            try {
                const large = file.size > LARGEST;
                const content = await (large ? await reduced(file) : file).arrayBuffer();
                message.textContent = "";
                model.send({ name: file.name }, undefined, [content]);
            } catch (error) {
                message.textContent = ` ${file.name} (${megabytes(file.size)}) is not a picture that this browser can reduce, `
                    + `and it is too large to be sent as it is: save it as JPEG with less than ${megabytes(LARGEST)}`;
            }
            input.value = ""; // so that the same file can be chosen again
        };
        el.append(input, button, message);
        return () => model.off("change:description", label);
    },
};

//! ipc-channel: its channel of bytes, without serialization. It sleeps in recvmsg(2).

use std::io;

use folio_cli::ipc::transport::Transport;
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};

use super::payload::Payload;
use super::way::Made;

type Ends = (IpcBytesSender, IpcBytesReceiver);

struct Channel {
    /// Where the other process brings the ends, until it has.
    server: Option<IpcOneShotServer<Ends>>,
    ends: Option<Ends>,
    payload: Payload,
    message: Vec<u8>,
}

impl Channel {
    fn ends(&mut self) -> io::Result<&Ends> {
        if let Some(server) = self.server.take() {
            self.ends = Some(server.accept().map_err(io::Error::other)?.1);
        }
        self.ends.as_ref().ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl Transport for Channel {
    fn send(&mut self, number: u64) -> io::Result<()> {
        let mut message = std::mem::take(&mut self.message);
        self.payload.fill(&mut message, number);
        let sent = self.ends()?.0.send(&message);
        self.message = message;
        sent
    }

    fn recv(&mut self) -> io::Result<u64> {
        let message = self.ends()?.1.recv().map_err(io::Error::other)?;
        self.payload.check(&message)
    }
}

pub(crate) fn make(payload: Payload) -> io::Result<Made> {
    let (server, word) = IpcOneShotServer::new()?;
    let message = vec![0; payload.size];
    let channel = Channel { server: Some(server), ends: None, payload, message };
    Ok(Made { transport: Box::new(channel), fds: Vec::new(), word })
}

pub(crate) fn join(word: &str, payload: Payload) -> io::Result<Box<dyn Transport>> {
    let ((to_here, input), (output, from_here)) = (bytes_channel()?, bytes_channel()?);
    let server: IpcSender<Ends> = IpcSender::connect(word.to_owned())?;
    server.send((to_here, from_here)).map_err(io::Error::other)?;
    let message = vec![0; payload.size];
    Ok(Box::new(Channel { server: None, ends: Some((output, input)), payload, message }))
}

// SPDX-License-Identifier: MIT
//
// The listening side of the control socket. A user without a role cannot connect: the socket's access control list
// names all users who have one, so the kernel refuses all others and their attempts cost the daemon nothing. The kernel
// names the peer (peer.h), and its role is known before a byte of it is read. No client can hold up the daemon: nothing
// blocks, size, number and idle time of clients are bounded, and a long reply is made in pieces.
#pragma once

#include "daemon/control/peer.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <list>
#include <string>

namespace xk::control {

// The reply to a request: the JSON that is ready, and a function that appends the rest piece by piece. The function
// returns false when the reply is complete.
struct Reply {
    using Rest = std::function<bool(std::string& json)>;

    Reply(std::string begin, Rest more = {}) : json(std::move(begin)), rest(std::move(more)) {}
    std::string json;
    Rest rest;
};

class Server {
  public:
    // A reply can be large, so only so many clients are served at the same time. Others wait for a place, so that a
    // hundred programs that send requests at the same moment all get a reply. Readers cannot take all places of either
    // kind, because an admin must always get one.
    static constexpr std::size_t kMaxClients = 16, kMaxReaders = 12;
    static constexpr std::size_t kMaxWaiting = 256, kMaxWaitingReaders = 128;
    static constexpr std::chrono::seconds kIdle{5};

    // The time that one turn of the loop spends on making replies, for all clients together.
    static constexpr std::chrono::microseconds kPiece{250};

    // Returns the reply to a request. A connection carries one request.
    using Handler = std::function<Reply(const Peer&, const std::string& request)>;

    // Binds `path` and replaces an old socket there. Where the file system has no access control lists all users can
    // connect, and a client without a role gets an error and is closed.
    static Result<Server> listen_at(const std::string& path, Groups groups, Handler handler);

    int listen_fd() const { return listen_.get(); }
    Result<void> set_groups(Groups groups);

    // Accepts new clients and gives them places. The caller's loop has to watch each descriptor for which `watch` is
    // called. An error means that the kernel has no descriptor or no memory for another client. That client waits, and
    // the listening socket stays ready: the caller must not watch it for a while, or its loop would spin.
    Result<void> accept_clients(const std::function<void(int fd)>& watch);
    // To be called when a client is gone: gives its place to one that waits.
    void admit_waiting(const std::function<void(int fd)>& watch);

    // To be called when `fd` is ready. Returns false where the client is gone and its descriptor is closed. While a
    // reply is not completely written, wants_write() is true.
    bool serve_client(int fd);
    bool wants_write(int fd) const;

    // Closes clients that took longer than kIdle to send their request or to read the reply. Their descriptors are
    // closed then, and admit_waiting() must be called.
    void drop_idle(BootTime now);

  private:
    struct Client {
        Fd fd;
        Peer peer;
        BootTime last;
        std::string in, out;
        Reply::Rest rest;     // makes the rest of `out`; none when `out` is complete
        std::size_t sent = 0; // bytes of `out` that were sent

        bool is_answered() const { return rest || !out.empty(); }
    };
    Server(std::string path, Fd listen, Groups groups, Handler handler);
    std::list<Client>::iterator find_client(int fd);
    static std::size_t count_readers(const std::list<Client>& clients);
    // These return false where the client has to be closed.
    bool read_request(Client& client);
    bool write_reply(Client& client);
    void make_piece(Client& client); // appends to a reply that is made in pieces

    std::string path_;
    Fd listen_;
    Groups groups_;
    Handler handler_;
    std::list<Client> clients_; // those with a place
    std::list<Client> waiting_; // those without a place; nothing is read from them
};

} // namespace xk::control

// SPDX-License-Identifier: MIT
//
// Sessions and sockets of this host in memory, in the place of connection tracking and sock_diag.
#pragma once

#include "daemon/nft/sessions.h"
#include "daemon/nft/sockets.h"
#include "tests/unit/recording/faults.h"

#include <algorithm>
#include <set>
#include <vector>

namespace xk::test {

// Both read tables that the test keeps.
class RecordingSessions final : public nft::Sessions {
  public:
    RecordingSessions(Faults& faults, std::vector<nft::Session>& all) : faults_(faults), all_(all) {}

    Result<std::vector<nft::Session>> find_sessions(const std::function<bool(const nft::Session&)>& wanted) override {
        if (auto fine = faults_.step("find sessions"); !fine)
            return fine.error();
        std::vector<nft::Session> found;
        std::copy_if(all_.begin(), all_.end(), std::back_inserter(found), wanted);
        return found;
    }
    Result<void> forget_sessions(const std::vector<nft::Session>& sessions) override {
        if (auto fine = faults_.step("forget sessions"); !fine)
            return fine;
        std::set<nft::Tuple> gone;
        for (const nft::Session& session : sessions)
            gone.insert(session.there);
        std::erase_if(all_, [&](const nft::Session& s) { return gone.contains(s.there); });
        return {};
    }

  private:
    Faults& faults_;
    std::vector<nft::Session>& all_;
};

class RecordingSockets final : public nft::Sockets {
  public:
    RecordingSockets(Faults& faults, List& all) : faults_(faults), all_(all) {}

    bool can_end() const override { return true; }
    Result<List> list_sockets() override {
        if (auto fine = faults_.step("list sockets"); !fine)
            return fine.error();
        return all_;
    }
    Result<bool> end_socket(const Socket& socket) override {
        if (auto fine = faults_.step("end a socket"); !fine)
            return fine.error();
        return std::erase_if(all_.sockets, [&](const Socket& s) { return s.session.there == socket.session.there; }) !=
               0;
    }

  private:
    Faults& faults_;
    List& all_;
};

} // namespace xk::test

// SPDX-License-Identifier: MIT
//
// RecordingSets: the sets of nf_tables in memory. A transaction is read back from its netlink messages, so that what is
// tested is what the kernel would get, and it counts as a whole or not at all. Elements end by the test's own clock.
#pragma once

#include "daemon/nft/element.h"
#include "tests/unit/recording/faults.h"

#include "protocol/base/clock.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace xk::test {

class RecordingSets final : public nft::Sets {
  public:
    RecordingSets(Faults& faults, BootTime& now) : faults_(faults), now_(now) {}

    Result<void> commit(nft::Transaction&& transaction) override;
    Result<std::vector<nft::Element>> list_set(const nft::SetName& set) override;

    std::size_t commits() const { return commits_; } // those that were done
    // Of our own table's set of this name; with what is left of the time-out in `expires`.
    std::vector<nft::Element> elements(const std::string& set) const;
    std::size_t size() const; // elements of all sets together
    // For "nothing changed": each element as text, but for its time.
    std::vector<std::string> dump() const;
    // What somebody else does to the sets.
    void put(const std::string& set, nft::Element element);
    void take(const std::string& set, const std::vector<std::uint8_t>& key);
    // Each transaction moves the clock by so much before it is done.
    std::chrono::nanoseconds takes{0};

  private:
    struct Kept {
        nft::Element element;
        std::optional<BootTime> until;
    };
    using Key = std::pair<std::vector<std::uint8_t>, bool>; // and whether it ends an interval
    using Tables = std::map<nft::SetName, std::map<Key, Kept>>;

    struct Before {
        nft::SetName set;
        Key key;
        std::optional<Kept> kept; // nothing: there was no such element
    };
    Result<void> apply(const nlmsghdr* message, std::vector<Before>& undo);
    void end_by_time();

    Faults& faults_;
    BootTime& now_;
    Tables tables_;
    std::size_t commits_ = 0;
};

} // namespace xk::test

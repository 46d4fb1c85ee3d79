// SPDX-License-Identifier: MIT
//
// TagPublication: what the worker publishes, checked, into the filter. After a reload the worker may still send tags of
// the configuration before: those of credentials that did not change are as good as ever, and nobody would publish them
// again; those of places that changed are of somebody else by now.
#pragma once

#include "daemon/monitor/places.h"
#include "daemon/monitor/ports.h"
#include "daemon/privsep/messages.h"

#include <cstdint>
#include <set>

namespace xk {

class TagPublication {
  public:
    explicit TagPublication(TagPort& port) : port_(port) {}

    // This generation counts from now on; `touched` are the places in which it differs from the one before.
    void begin_generation(std::uint32_t generation, std::set<std::uint32_t> touched);

    enum class Verdict { taken, senseless, of_nobody };
    // An error is of the filter.
    Result<Verdict> take(const privsep::Tags& message, const Places& places);

    bool is_published() const { return published_; } // all tags were, once
    // The worker said something by the generation that counts: from then on it says nothing by the one before.
    bool follows() const { return follows_; }

  private:
    void begin(privsep::TagScope scope);
    void end(privsep::TagScope scope);

    TagPort& port_;
    std::uint32_t generation_ = 0, before_ = 0;
    std::set<std::uint32_t> touched_;
    std::set<std::uint32_t> replaced_; // places of a publication of changed ones that goes on
    bool replaces_all_ = false;        // one of all goes on
    bool expects_changed_ = false;
    bool follows_ = false, published_ = false;
};

} // namespace xk

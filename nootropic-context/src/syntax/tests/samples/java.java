package com.example.session;

import java.util.List;
import static java.util.Map.entry;

/** Keeps sessions. */
@Deprecated
public class Sessions<T> extends Base implements Closer {
  public static final int LIMIT = 16;
  private List<T> items;

  public Sessions(List<T> items) {
    this.items = items;
  }

  // Closes all.
  @Override
  public void close() {
    items.forEach(this::release);
    new Reaper().run();
  }

  enum State {
    OPEN,
    CLOSED;

    boolean live() {
      return this == OPEN;
    }
  }

  interface Visitor {
    void visit(Node node);
  }

  record Point(int x, int y) {}
}

@interface Marker {
  String value();
}

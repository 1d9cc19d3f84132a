package com.example.sessions

import com.example.store.{Environment, Txn => Transaction}

/** One session. */
case class Session(id: Int, name: String) extends Base with Closer {
  val limit = 16

  // Closes it.
  override def close(): Unit = {
    pool.release(this)
  }

  type Id = Int
}

object Session {
  def open(id: Int): Session = new Session(id, "x")
}

trait Closer {
  def close(): Unit
}

enum State:
  case Open, Closed

extension (s: String)
  def shout: String = helper(s)

given ordering: Ordering[Session] = Ordering.by(_.id)

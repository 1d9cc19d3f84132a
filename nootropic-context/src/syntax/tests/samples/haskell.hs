{-# LANGUAGE LambdaCase #-}
-- | Keeps sessions.
module Example.Session
  ( Session (..)
  , open
  ) where

import qualified Data.Map as Map
import Data.List (sortBy)

-- | One session.
data Session = Session
  { ident :: Int
  , name :: String
  } deriving (Eq, Show)

newtype Id = Id Int

type Ids = [Id]

class Closer a where
  close :: a -> IO ()

instance Closer Session where
  close s = release (ident s)

-- Opens one.
open :: Int -> Session
open 0 = error "none"
open n = Session n (normalize "x")

limit :: Int
limit = 16

data State where
  Open :: State
